// A first guest: greets, shows what the pod gave it, prints a line a second, and ends.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *who = getenv("GREET");
  int lines = argc > 1 ? atoi(argv[1]) : 10;
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("Hello, %s! I am WebAssembly in a pod.\n", who ? who : "world");
  for (int i = 1; i <= lines; i++) {
    printf("tick %d of %d\n", i, lines);
    sleep(1);
  }
  printf("Done.\n");
  return 0;
}
