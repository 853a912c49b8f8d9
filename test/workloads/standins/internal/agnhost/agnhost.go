// Package agnhost has the servers and checks of Kubernetes' test image 'agnhost', by the same command lines.
package agnhost

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/signals"
)

// Version is that of the image whose behaviour this is.
const Version = "2.63.0"

type command struct {
	about string
	main  proc.Main
}

var commands map[string]command

// Main is agnhost: its first argument says which command.
func Main(p *proc.Proc) int {
	args := p.Args[1:]
	if len(args) > 0 && (args[0] == "--version" || args[0] == "version") {
		p.Printf("agnhost version %s\n", Version)
		return 0
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		usage(p)
		return 0
	}
	found, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(p.Err(), "Error: unknown command %q for \"app\"\nRun 'app --help' for usage.\n", args[0])
		return 1
	}
	return found.main(p)
}

func usage(p *proc.Proc) {
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	p.Printf("Usage:\n  app [command]\n\nAvailable Commands:\n")
	for _, name := range names {
		p.Printf("  %-24s %s\n", name, commands[name].about)
	}
}

// flags reads a command's flags: its operands may stand among them.
func flags(p *proc.Proc, define func(*flag.FlagSet)) []string {
	set := flag.NewFlagSet(p.Args[1], flag.ContinueOnError)
	set.SetOutput(p.Err())
	define(set)
	var operands []string
	rest := p.Args[2:]
	for len(rest) > 0 {
		if err := set.Parse(rest); err != nil {
			p.Exit(1)
		}
		rest = set.Args()
		if len(rest) > 0 {
			operands, rest = append(operands, rest[0]), rest[1:]
		}
	}
	return operands
}

func init() {
	commands = map[string]command{
		"pause":             {"Pauses", pause},
		"entrypoint-tester": {"Prints the args it's passed and exits", entrypointTester},
		"mounttest":         {"Creates files with given permissions and outputs FS type, owner, mode, permissions, contents of files", mounttest},
		"logs-generator":    {"Outputs lines of logs to stdout uniformly", logsGenerator},
	}
}

func entrypointTester(p *proc.Proc) int {
	p.Printf("[%s]\n", strings.Join(p.Args, " "))
	return 0
}

func pause(p *proc.Proc) int {
	p.Printf("Paused\n")
	arrived := signals.Notify(2, 15)
	p.Printf("Signals registered\n")
	name, code := "terminated", 2
	if <-arrived == 2 {
		name, code = "interrupt", 1
	}
	message := fmt.Sprintf("exiting because of signal %q\n", name)
	path := p.Getenv("TERMINATION_MESSAGE_PATH")
	if path == "" {
		path = "/dev/termination-log"
	}
	// Without such a file the output alone tells.
	_ = os.WriteFile(path, []byte(message), 0o644)
	p.Printf("%s", message)
	return code
}
