// The powers of the scale s that both response norms need.
#pragma once

// s^-beta and 1/s; for beta = 3/4 by square roots, which are faster than powf.
struct Powers { float power, inverse; };
__device__ inline Powers powers(float s, float beta) {
  if (beta != 0.75f) return {powf(s, -beta), 1.0f / s};
  const float r = rsqrtf(s);
  return {r * sqrtf(r), r * r};
}
__device__ inline float power(float s, float beta) { return powers(s, beta).power; }
