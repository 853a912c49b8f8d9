// Command hello greets, shows its arguments, and exits with 0.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("Hello, %s! I am Go.\n", os.Getenv("GREET"))
	for i, argument := range os.Args[1:] {
		fmt.Printf("argument %d: %s\n", i+1, argument)
	}
}
