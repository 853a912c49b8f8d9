// What interpreters are compared by: each function computes for as many rounds as it is told, and gives a number that
// depends on all it did. Without libraries and imports, so that every engine runs it as it is.
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define KERNEL(name) __attribute__((export_name(#name))) double name(int32_t rounds)
#define APART __attribute__((noinline)) static

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

// Whole numbers of 32 bits: calls, bytes in memory, rotations, calls through a table.

APART uint32_t fibonacci(uint32_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

KERNEL(fib) {
  double sum = 0;
  for (int32_t round = 0; round < rounds; round++) sum += fibonacci(20 + (round & 3));
  return sum;
}

KERNEL(sieve) {
  enum { SIZE = 60000 };
  static uint8_t composite[SIZE];
  int32_t count = 0;
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < SIZE; i++) composite[i] = 0;
    for (int i = 2; i < SIZE; i++) {
      if (composite[i]) continue;
      count++;
      for (int j = 2 * i; j < SIZE; j += i) composite[j] = 1;
    }
  }
  return count;
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

// The compression function of SHA-256, with constants of its own.
KERNEL(hash) {
  static uint32_t w[64];
  uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8}, seed = 1;
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < 16; i++) w[i] = next(&seed);
    for (int i = 16; i < 64; i++) {
      uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
      uint32_t one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                     0x428a2f98u * (uint32_t)(i + 1) + w[i];
      uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    uint32_t now[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) state[i] += now[i];
  }
  return state[0] ^ state[4];
}

typedef int (*Order)(uint32_t, uint32_t);

static int ascending(uint32_t a, uint32_t b) { return a < b ? -1 : a > b; }
static int descending(uint32_t a, uint32_t b) { return ascending(b, a); }

APART void sift(uint32_t *heap, int root, int size, Order order) {
  for (;;) {
    int child = 2 * root + 1;
    if (child >= size) return;
    if (child + 1 < size && order(heap[child], heap[child + 1]) < 0) child++;
    if (order(heap[root], heap[child]) >= 0) return;
    uint32_t kept = heap[root];
    heap[root] = heap[child], heap[child] = kept;
    root = child;
  }
}

KERNEL(sort) {
  enum { SIZE = 1024 };
  static uint32_t heap[SIZE];
  uint32_t seed = 1;
  double sum = 0;
  for (int32_t round = 0; round < rounds; round++) {
    Order order = round & 1 ? descending : ascending;
    for (int i = 0; i < SIZE; i++) heap[i] = next(&seed) >> 8;
    for (int root = SIZE / 2 - 1; root >= 0; root--) sift(heap, root, SIZE, order);
    for (int size = SIZE - 1; size > 0; size--) {
      uint32_t kept = heap[0];
      heap[0] = heap[size], heap[size] = kept;
      sift(heap, 0, size, order);
    }
    sum += heap[SIZE / 2];
  }
  return sum;
}

// Whole numbers of 64 bits.

KERNEL(mix64) {
  uint64_t state[4] = {1, 2, 3, 4}, sum = 0;
  for (int32_t round = 0; round < rounds; round++) {
    uint64_t multiplied = state[1] * 5, shifted = state[1] << 17;
    sum += (multiplied << 7 | multiplied >> 57) * 9;
    state[2] ^= state[0], state[3] ^= state[1], state[1] ^= state[2], state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3] << 45 | state[3] >> 19;
  }
  return (double)(sum >> 12);
}

KERNEL(power64) {
  const uint64_t modulus = 4294967291u;
  uint64_t sum = 0;
  for (int32_t round = 0; round < rounds; round++) {
    uint64_t base = (uint64_t)round + 3, result = 1;
    for (uint64_t exponent = modulus - 2; exponent > 0; exponent >>= 1) {
      if (exponent & 1) result = result * base % modulus;
      base = base * base % modulus;
    }
    sum += result;
  }
  return (double)sum;
}

// Factors of 64 bits added up in memory: long multiplication.
KERNEL(long64) {
  enum { DIGITS = 48 };
  static uint64_t a[DIGITS], product[2 * DIGITS];
  uint32_t seed = 1;
  for (int i = 0; i < DIGITS; i++) a[i] = next(&seed);
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < 2 * DIGITS; i++) product[i] = 0;
    for (int i = 0; i < DIGITS; i++) {
      uint64_t carry = 0;
      for (int j = 0; j < DIGITS; j++) {
        uint64_t sum = product[i + j] + a[i] * a[j] + carry;
        product[i + j] = sum & 0xffffffffu;
        carry = sum >> 32;
      }
      product[i + DIGITS] = carry;
    }
    a[round % DIGITS] ^= product[DIGITS] & 0xffffu;
  }
  return (double)(product[DIGITS] ^ product[DIGITS - 1]);
}

// Floats.

KERNEL(matrix64) {
  enum { SIZE = 40 };
  static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) a[i][j] = i + j, b[i][j] = i - j, c[i][j] = 0;
  }
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < SIZE; i++) {
      for (int k = 0; k < SIZE; k++) {
        for (int j = 0; j < SIZE; j++) c[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return c[3][5];
}

KERNEL(mandelbrot) {
  double sum = 0;
  for (int32_t round = 0; round < rounds; round++) {
    for (int y = 0; y < 16; y++) {
      for (int x = 0; x < 24; x++) {
        double cr = x / 12.0 - 1.5, ci = y / 8.0 - 1, r = 0, i = 0;
        int steps = 0;
        while (steps < 100 && r * r + i * i < 4) {
          double t = r * r - i * i + cr;
          i = 2 * r * i + ci, r = t, steps++;
        }
        sum += steps;
      }
    }
  }
  return sum;
}

typedef struct {
  float x, y, z, vx, vy, vz, mass;
} Body;

KERNEL(bodies32) {
  enum { BODIES = 8 };
  static Body bodies[BODIES];
  for (int i = 0; i < BODIES; i++) {
    float at = (float)i;
    bodies[i] = (Body){at, at * 2 - 3, 5 - at, 0.01f * at, 0.02f, -0.01f * at, 1 + at / 8};
  }
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < BODIES; i++) {
      for (int j = 0; j < BODIES; j++) {
        float dx = bodies[j].x - bodies[i].x, dy = bodies[j].y - bodies[i].y, dz = bodies[j].z - bodies[i].z;
        float square = dx * dx + dy * dy + dz * dz + 0.1f;
        float pull = 0.001f * bodies[j].mass / (square * __builtin_sqrtf(square));
        bodies[i].vx += dx * pull, bodies[i].vy += dy * pull, bodies[i].vz += dz * pull;
      }
    }
    for (int i = 0; i < BODIES; i++) {
      bodies[i].x += bodies[i].vx, bodies[i].y += bodies[i].vy, bodies[i].z += bodies[i].vz;
    }
  }
  return bodies[0].x + bodies[BODIES - 1].vy;
}

// Vectors.

#define VECTORS __attribute__((target("simd128")))

VECTORS KERNEL(dot) {
  enum { SIZE = 4096 };
  static float a[SIZE], b[SIZE];
  for (int i = 0; i < SIZE; i++) a[i] = (float)i, b[i] = (float)(SIZE - i);
  v128_t sum = wasm_f32x4_const(0, 0, 0, 0);
  for (int32_t round = 0; round < rounds; round++) {
    for (int i = 0; i < SIZE; i += 4) {
      sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(a + i), wasm_v128_load(b + i)));
    }
  }
  return wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 3);
}

// Characters to small letters, and how many of them are vowels.
VECTORS KERNEL(text) {
  enum { SIZE = 4096 };
  static uint8_t text[SIZE];
  uint32_t seed = 1;
  int32_t count = 0;
  for (int i = 0; i < SIZE; i++) text[i] = (uint8_t)(next(&seed) >> 24);
  for (int32_t round = 0; round < rounds; round++) {
    v128_t sums = wasm_i32x4_const(0, 0, 0, 0);
    for (int i = 0; i < SIZE; i += 16) {
      v128_t some = wasm_v128_load(text + i);
      v128_t large = wasm_v128_and(wasm_u8x16_ge(some, wasm_u8x16_splat('A')), wasm_u8x16_le(some, wasm_u8x16_splat('Z')));
      v128_t small = wasm_v128_or(some, wasm_v128_and(large, wasm_u8x16_splat(32)));
      v128_t vowels = wasm_v128_or(wasm_i8x16_eq(small, wasm_u8x16_splat('a')), wasm_i8x16_eq(small, wasm_u8x16_splat('e')));
      v128_t ones = wasm_v128_and(vowels, wasm_u8x16_splat(1));
      sums = wasm_i32x4_add(sums, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extadd_pairwise_i8x16(ones)));
      wasm_v128_store(text + i, wasm_i8x16_shuffle(small, small, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0));
    }
    count += wasm_i32x4_extract_lane(sums, 0) + wasm_i32x4_extract_lane(sums, 1) + wasm_i32x4_extract_lane(sums, 2) +
             wasm_i32x4_extract_lane(sums, 3);
  }
  return count;
}

// A program of an embedded kind, of the parts that CoreMark has (written for this; not CoreMark): a linked list that is
// searched, turned and sorted; matrices of small numbers; a state machine that reads numbers; a checksum of it all.

typedef struct Item {
  struct Item *next;
  int16_t key, data;
} Item;

static uint16_t checksum(uint16_t sum, uint16_t value) {
  for (int bit = 0; bit < 16; bit++) {
    int odd = (value ^ sum) & 1;
    sum >>= 1, value >>= 1;
    if (odd) sum ^= 0xa001;
  }
  return sum;
}

APART Item *turned(Item *list) {
  Item *result = NULL;
  while (list) {
    Item *rest = list->next;
    list->next = result, result = list, list = rest;
  }
  return result;
}

APART Item *found(Item *list, int16_t key) {
  while (list && list->key != key) list = list->next;
  return list;
}

APART Item *merged(Item *a, Item *b, int by_data) {
  Item head = {NULL, 0, 0}, *last = &head;
  while (a && b) {
    int left = by_data ? a->data <= b->data : a->key <= b->key;
    Item **from = left ? &a : &b;
    last->next = *from, last = *from, *from = (*from)->next;
  }
  last->next = a ? a : b;
  return head.next;
}

APART Item *sorted(Item *list, int by_data) {
  if (!list || !list->next) return list;
  Item *middle = list, *end = list->next;
  while (end && end->next) middle = middle->next, end = end->next->next;
  Item *second = middle->next;
  middle->next = NULL;
  return merged(sorted(list, by_data), sorted(second, by_data), by_data);
}

APART uint16_t lists(uint16_t sum, uint32_t *seed) {
  enum { ITEMS = 80 };
  static Item items[ITEMS];
  for (int i = 0; i < ITEMS; i++) {
    items[i] = (Item){i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)i, (int16_t)(next(seed) >> 16)};
  }
  Item *list = items;
  for (int i = 0; i < 16; i++) {
    Item *item = found(list, (int16_t)((i * 7) % (ITEMS + 8)));
    sum = checksum(sum, item ? (uint16_t)item->data : 1);
    list = turned(list);
  }
  list = sorted(list, 1);
  for (Item *item = list; item; item = item->next) sum = checksum(sum, (uint16_t)item->data);
  list = sorted(list, 0);
  return checksum(sum, (uint16_t)list->data);
}

APART uint16_t matrices(uint16_t sum, uint32_t *seed) {
  enum { SIZE = 12 };
  static int16_t a[SIZE][SIZE], b[SIZE][SIZE];
  static int32_t c[SIZE][SIZE];
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) a[i][j] = (int16_t)(next(seed) >> 24), b[i][j] = (int16_t)(next(seed) >> 20);
  }
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) {
      int32_t total = 0;
      for (int k = 0; k < SIZE; k++) total += a[i][k] * b[k][j];
      c[i][j] = total;
    }
  }
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) sum = (uint16_t)(sum + ((c[i][j] >> 2 & 15) * (c[i][j] >> 5 & 127)));
  }
  return checksum(sum, (uint16_t)c[3][4]);
}

enum State { START, SIGN, WHOLE, POINT, EXPONENT, SIGNED, SCIENCE, INVALID };

static int digit(uint8_t c) { return c >= '0' && c <= '9'; }

static enum State step(enum State state, uint8_t c) {
  switch (state) {
  case START:
    return digit(c) ? WHOLE : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
  case SIGN:
    return digit(c) ? WHOLE : c == '.' ? POINT : INVALID;
  case WHOLE:
    return digit(c) ? WHOLE : c == '.' ? POINT : INVALID;
  case POINT:
    return digit(c) ? POINT : c == 'e' || c == 'E' ? EXPONENT : INVALID;
  case EXPONENT:
    return c == '+' || c == '-' ? SIGNED : INVALID;
  case SIGNED:
  case SCIENCE:
    return digit(c) ? SCIENCE : INVALID;
  default:
    return INVALID;
  }
}

APART uint16_t states(uint16_t sum, uint32_t *seed) {
  static const char words[] = "5012,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,";
  static uint8_t text[sizeof words];
  uint32_t ends[8] = {0}, steps = 0;
  for (size_t i = 0; i < sizeof words; i++) text[i] = (uint8_t)words[i];
  for (int i = 0; i < 4; i++) text[next(seed) % (sizeof words - 1)] ^= 4;
  enum State state = START;
  for (size_t i = 0; i < sizeof words - 1; i++) {
    if (text[i] == ',') ends[state]++, state = START;
    else state = step(state, text[i]), steps++;
  }
  for (int i = 0; i < 8; i++) sum = checksum(sum, (uint16_t)(ends[i] + steps));
  return sum;
}

KERNEL(embedded) {
  uint32_t seed = 1;
  uint16_t sum = 0;
  for (int32_t round = 0; round < rounds; round++) {
    sum = lists(sum, &seed);
    sum = matrices(sum, &seed);
    for (int i = 0; i < 4; i++) sum = states(sum, &seed);
  }
  return sum;
}
