// Command hello says hello, then its arguments and its environment, and exits with 0.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("hello from Go")
	for i, argument := range os.Args {
		fmt.Printf("arg %d: %s\n", i, argument)
	}
	for _, entry := range os.Environ() {
		fmt.Printf("env %s\n", entry)
	}
}
