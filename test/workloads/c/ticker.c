// Prints the numbers from 1, a line every so many milliseconds, and exits: ticker MILLISECONDS COUNT [EXIT-CODE]
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: ticker MILLISECONDS COUNT [EXIT-CODE]\n");
    return 2;
  }
  long milliseconds = atol(argv[1]);
  long count = atol(argv[2]);
  struct timespec pause = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  for (long i = 1; i <= count; i++) {
    printf("%ld\n", i);
    fflush(stdout);
    if (i < count && nanosleep(&pause, NULL) != 0 && errno != EINTR) {
      perror("nanosleep");
      return 1;
    }
  }
  return argc > 3 ? atoi(argv[3]) : 0;
}
