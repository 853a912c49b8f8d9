// Says hello, then its arguments and its environment, and exits with 0.
#include <stdio.h>

extern char **environ;

int main(int argc, char **argv) {
  printf("hello from C\n");
  for (int i = 0; i < argc; i++) printf("arg %d: %s\n", i, argv[i]);
  for (char **entry = environ; *entry; entry++) printf("env %s\n", *entry);
  return 0;
}
