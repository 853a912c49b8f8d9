// Traps beneath a chain of named functions: trap [unreachable|memory|divide|stack]
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAMED __attribute__((noinline))

static volatile int zero = 0;

NAMED static int recurse(volatile char *above) {
  volatile char frame[4096];
  frame[0] = above[0];
  return zero ? 0 : recurse(frame) + frame[0];
}

NAMED int inner(const char *how) {
  volatile char start = 0;
  if (strcmp(how, "memory") == 0) return *(volatile char *)(uintptr_t)0xfffffff0u;
  if (strcmp(how, "divide") == 0) return 100 / zero;
  if (strcmp(how, "stack") == 0) return recurse(&start);
  __builtin_trap();
}

NAMED int middle(const char *how) { return inner(how) + zero; }

NAMED int outer(const char *how) { return middle(how) + zero; }

int main(int argc, char **argv) {
  printf("about to trap\n");
  fflush(stdout);
  return outer(argc > 1 ? argv[1] : "unreachable");
}
