// Says that it could be pulled.
#include <stdio.h>

int main(void) {
  puts("Nobody gets me without the password.");
  return 0;
}
