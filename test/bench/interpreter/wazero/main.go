// The peer wazero: `wazero MODULE` runs kernels by its interpreter. See test/bench/interpreter/peers.ts.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers each line `KERNEL ROUNDS` by `RESULT NANOSECONDS`.
func serve(path string) error {
	ctx := context.Background()
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	instance, err := runtime.Instantiate(ctx, module)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var name string
		var rounds int32
		if _, err := fmt.Sscan(lines.Text(), &name, &rounds); err != nil {
			return err
		}
		begin := time.Now()
		results, err := instance.ExportedFunction(name).Call(ctx, api.EncodeI32(rounds))
		if err != nil {
			return err
		}
		took := time.Since(begin).Nanoseconds()
		fmt.Println(api.DecodeF64(results[0]), took)
	}
	return nil
}
