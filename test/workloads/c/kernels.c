// Computing kernels: kernels. Prints a line for each: its name and nanoseconds per run, the best of many, each short enough to
// come to pass without the machine doing something else meanwhile.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wasm_simd128.h>

enum { ROUNDS = 300, SIEVE = 200000, MATRIX = 96, BYTES = 1 << 17, FLOATS = 1 << 16, SHORT = 1024, LISTS = 8 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

__attribute__((noinline)) static uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static double run_fib(void) { return fib(24); }

static double run_sieve(void) {
  static uint8_t composite[SIEVE];
  memset(composite, 0, sizeof composite);
  int count = 0;
  for (int i = 2; i < SIEVE; i++) {
    if (composite[i]) continue;
    count++;
    for (int j = 2 * i; j < SIEVE; j += i) composite[j] = 1;
  }
  return count;
}

static double run_matrix(void) {
  static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];
  for (int i = 0; i < MATRIX; i++) {
    for (int j = 0; j < MATRIX; j++) a[i][j] = i + j, b[i][j] = i - j, c[i][j] = 0;
  }
  for (int i = 0; i < MATRIX; i++) {
    for (int k = 0; k < MATRIX; k++) {
      for (int j = 0; j < MATRIX; j++) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c[3][5];
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/** The rounds of SHA-256 over some bytes, with constants made on the way. */
static double run_hash(void) {
  static uint8_t bytes[BYTES];
  uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[64];
  for (int i = 0; i < BYTES; i++) bytes[i] = (uint8_t)i;
  for (int block = 0; block < BYTES; block += 64) {
    memcpy(w, bytes + block, 64);
    for (int i = 16; i < 64; i++) {
      uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
      uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6]));
      one += 0x428a2f98u * (uint32_t)(i + 1) + w[i];
      uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      for (int k = 7; k > 0; k--) s[k] = s[k - 1];
      s[4] += one;
      s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
  }
  return state[0];
}

static double run_floats(void) {
  double sum = 0;
  for (int y = 0; y < 40; y++) {
    for (int x = 0; x < 60; x++) {
      double cr = x / 30.0 - 1.5, ci = y / 20.0 - 1, r = 0, i = 0;
      int steps = 0;
      while (steps < 100 && r * r + i * i < 4) {
        double t = r * r - i * i + cr;
        i = 2 * r * i + ci, r = t, steps++;
      }
      sum += steps + sqrt(fabs(r)) + sin(i);
    }
  }
  return sum;
}

__attribute__((target("simd128"))) static double run_simd(void) {
  static float a[FLOATS], b[FLOATS];
  for (int i = 0; i < FLOATS; i++) a[i] = (float)i, b[i] = (float)(FLOATS - i);
  v128_t sum = wasm_f32x4_const(0, 0, 0, 0);
  for (int turn = 0; turn < 8; turn++) {
    for (int i = 0; i < FLOATS; i += 4) {
      sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(a + i), wasm_v128_load(b + i)));
    }
  }
  return wasm_f32x4_extract_lane(sum, 0);
}

static int ascending(const void *left, const void *right) { return *(const int *)left - *(const int *)right; }

/** Calls through a table, and memory in small pieces. */
static double run_sort(void) {
  int *lists[LISTS];
  uint32_t state = 1;
  double sum = 0;
  for (int i = 0; i < LISTS; i++) {
    lists[i] = malloc(SHORT * sizeof(int));
    for (int j = 0; j < SHORT; j++) lists[i][j] = (int)((state = state * 1664525u + 1013904223u) >> 8);
    qsort(lists[i], SHORT, sizeof(int), ascending);
  }
  for (int i = 0; i < LISTS; i++) sum += lists[i][SHORT / 2], free(lists[i]);
  return sum;
}

static const struct {
  const char *name;
  double (*run)(void);
} KERNELS[] = {{"fib", run_fib},       {"sieve", run_sieve},   {"matrix", run_matrix}, {"hash", run_hash},
               {"floats", run_floats}, {"simd", run_simd},     {"sort", run_sort}};

int main(void) {
  volatile double result;
  for (size_t kind = 0; kind < sizeof KERNELS / sizeof *KERNELS; kind++) {
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
      double begin = now();
      result = KERNELS[kind].run();
      double each = now() - begin;
      if (each < best) best = each;
    }
    printf("%s %.0f\n", KERNELS[kind].name, best);
  }
  (void)result;
  return 0;
}
