"""One training step of `original` without its same-map norm in TensorFlow, on a CPU: prints one JSON object.

    python tensorflow_step.py [--batch 128] [--threads 2] [--steps 3] [--convolutions]

With `--convolutions` only its five convolutions with their biases and ReLUs, forward and backward.

fp32, NHWC, oneDNN's kernels (TensorFlow's default on x86), the whole step one `tf.function`.
"""

import argparse
import json
import os
import resource
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

# name, weight shape (height, width, in per group, out)
CONVOLUTIONS = [
    (11, 11, 3, 96), (5, 5, 48, 256), (3, 3, 256, 384), (3, 3, 192, 384), (3, 3, 192, 256),
]
DENSE = [(9216, 4096), (4096, 4096), (4096, 1000)]


def lrn(x):
    """Within each half of the channels; alpha is over n, as in the original."""
    towers = tf.split(x, 2, axis=3)
    return tf.concat([tf.nn.local_response_normalization(t, 2, 2.0, 1e-4 / 5, 0.75) for t in towers], 3)


def pool(x):
    return tf.nn.max_pool2d(x, 3, 2, "VALID")  # 55, 27 and 13 pixels: no window hangs over


def convolve(x, w, groups):
    """The towers apart, or with `--grouped` as one grouped convolution; which is faster is not measured yet."""
    if SPLIT and groups > 1:
        xs, ws = tf.split(x, groups, axis=3), tf.split(w, groups, axis=3)
        return tf.concat([tf.nn.conv2d(a, b, 1, "SAME") for a, b in zip(xs, ws)], 3)
    return tf.nn.conv2d(x, w, 1, "SAME")


def network(x, w, b):
    x = tf.pad(x, [[0, 0], [0, 3], [0, 3], [0, 0]])
    x = tf.nn.relu(pool(lrn(tf.nn.conv2d(x, w[0], 4, "VALID") + b[0])))
    x = pool(lrn(tf.nn.relu(convolve(x, w[1], 2) + b[1])))
    x = tf.nn.relu(convolve(x, w[2], 1) + b[2])
    x = tf.nn.relu(convolve(x, w[3], 2) + b[3])
    x = tf.nn.relu(pool(convolve(x, w[4], 2) + b[4]))
    x = tf.reshape(x, [x.shape[0], -1])
    x = tf.nn.dropout(tf.nn.relu(x @ w[5] + b[5]), 0.5)
    x = tf.nn.dropout(tf.nn.relu(x @ w[6] + b[6]), 0.5)
    return x @ w[7] + b[7]


parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--convolutions", action="store_true", help="the five convolutions alone")
parser.add_argument("--grouped", action="store_true", help="the library's grouped convolution, not two halves")
arguments = parser.parse_args()
SPLIT = not arguments.grouped


def main():
    a = arguments
    tf.config.threading.set_intra_op_parallelism_threads(a.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.random.set_seed(1)
    shapes = CONVOLUTIONS + DENSE
    w = [tf.Variable(tf.random.normal(s, stddev=0.01)) for s in shapes]
    b = [tf.Variable(tf.zeros(s[-1])) for s in shapes]
    parameters = w + b
    velocity = [tf.Variable(tf.zeros_like(p)) for p in parameters]
    x = tf.random.normal([a.batch, 224, 224, 3], stddev=60.0)
    labels = tf.range(a.batch) * 37 % 1000
    rate, momentum, decay = 1e-6, 0.9, 5e-4

    @tf.function
    def convolutions():
        """What the layers alone give: all gradients, but that by the pixels."""
        gradients = []
        for i, groups in enumerate([1, 2, 1, 2, 2]):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([inputs[i], w[i], b[i]] if i else [w[i], b[i]])
                if i == 0:
                    y = tf.nn.conv2d(tf.pad(inputs[0], [[0, 0], [0, 3], [0, 3], [0, 0]]), w[0], 4, "VALID")
                else:
                    y = convolve(inputs[i], w[i], groups)
                y = tf.nn.relu(y + b[i])
            gradients += tape.gradient(y, [inputs[i], w[i], b[i]] if i else [w[i], b[i]], y)
        return gradients

    if a.convolutions:
        maps = [(224, 3), (27, 96), (13, 256), (13, 384), (13, 384)]
        inputs = [tf.random.normal([a.batch, side, side, channels]) for side, channels in maps]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=network(x, w, b)))
        gradients = tape.gradient(loss, parameters)
        for i, (p, v, g) in enumerate(zip(parameters, velocity, gradients)):
            if i < len(w):
                g = g + decay * p
            p.assign_add(v.assign(momentum * v - rate * g))
        return loss

    run = (lambda: convolutions()[-1].numpy()) if a.convolutions else (lambda: step().numpy())
    run()
    seconds = []
    for _ in range(a.steps):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(dict(
        peer=f"TensorFlow {tf.__version__} " + ("grouped" if a.grouped else "split towers"),
        batch=a.batch, threads=a.threads, step_seconds=seconds,
        images_per_second=a.batch / statistics.median(seconds),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )))


if __name__ == "__main__":
    main()
