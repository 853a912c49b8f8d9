// Package signals delivers the signals of a guest, which has to ask for them.
package signals

import (
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
)

const interval = 50 * time.Millisecond

// Notify subscribes to signals by number. Where the system has none for guests the channel stays silent, and a stop ends
// the program.
func Notify(numbers ...int) <-chan int {
	arrived := make(chan int, len(numbers))
	var set uint64
	for _, number := range numbers {
		set |= 1 << number
	}
	if posix.Subscribe(set) != nil {
		return arrived
	}
	go func() {
		for range time.Tick(interval) {
			for number := posix.TakeSignal(); number != 0; number = posix.TakeSignal() {
				arrived <- number
			}
		}
	}()
	return arrived
}
