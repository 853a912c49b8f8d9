// Computes for ever and never calls out of itself, but for a line at its start.
#include <stdint.h>
#include <stdio.h>

int main(void) {
  puts("spinning");
  fflush(stdout);
  volatile uint32_t state = 1;
  for (;;) state = state * 1664525u + 1013904223u;
}
