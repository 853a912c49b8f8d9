// Works until it is stopped, then cleans up and exits with 0: signals [sleep|compute]
// `sleep`: the signal interrupts a call that waits; `compute`: it is looked for while computing.
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t take(int signals) {
  uint32_t number = 0;
  return read(signals, &number, sizeof number) == sizeof number ? number : 0;
}

/** Works, a piece each second, until the descriptor is readable. */
static uint32_t work(int signals) {
  struct pollfd wanted = {.fd = signals, .events = POLLIN};
  while (poll(&wanted, 1, 1000) <= 0) continue;
  return take(signals);
}

static uint32_t sleep_long(int signals) {
  struct timespec hour = {3600, 0};
  while (nanosleep(&hour, NULL) == 0) continue;
  printf("nanosleep ended\n");
  return take(signals);
}

static uint32_t compute(int signals) {
  for (volatile uint64_t step = 0;; step++) {
    if (step % 1000000 != 0) continue;
    uint32_t number = take(signals);
    if (number != 0) return number;
  }
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "work";
  int signals = open("/dev/signal", strcmp(way, "compute") == 0 ? O_RDONLY | O_NONBLOCK : O_RDONLY);
  if (signals < 0) {
    perror("/dev/signal");
    return 1;
  }
  printf("ready\n");
  fflush(stdout);
  uint32_t (*until_stopped)(int) = strcmp(way, "sleep") == 0 ? sleep_long : strcmp(way, "compute") == 0 ? compute : work;
  printf("signal %u: cleaning up\n", until_stopped(signals));
  return 0;
}
