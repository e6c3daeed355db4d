// The powers of the scale s that both response norms need.
#pragma once

// s^-beta and 1/s.
struct Powers { float power, inverse; };

// For beta = 3/4, by square roots. A scale so small that it has no normal float counts as 0.
__device__ inline Powers powers(float s) {
  const float r = root_of_inverse(s);
  return {r * root(r), r * r};
}
// For any beta; powf is slow.
__device__ inline Powers powers(float s, float beta) {
  if (beta == 0.75f) return powers(s);
  return {powf(s, -beta), 1.0f / s};
}
