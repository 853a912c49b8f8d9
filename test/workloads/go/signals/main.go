// Command signals works until it is stopped, then cleans up and exits with 0.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"
)

// stopSignals gives the numbers of the signals that are to stop this container, as they come.
func stopSignals() (<-chan uint32, error) {
	file, err := os.Open("/dev/signal")
	if err != nil {
		return nil, err
	}
	signals := make(chan uint32)
	go func() {
		var number uint32
		for binary.Read(file, binary.LittleEndian, &number) == nil {
			signals <- number
		}
	}()
	return signals, nil
}

func main() {
	signals, err := stopSignals()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	work := time.NewTicker(time.Second)
	for {
		select {
		case <-work.C:
		case number := <-signals:
			fmt.Printf("signal %d: cleaning up\n", number)
			return
		}
	}
}
