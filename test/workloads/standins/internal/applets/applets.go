// Package applets has the programs of a small Unix by their usual names, options and output: those that scripts use and
// that a person who debugs expects. They follow busybox where the originals differ.
package applets

import (
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/network"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sh"
)

// Programs are all applets, the shell among them.
func Programs() map[string]proc.Main {
	all := map[string]proc.Main{
		"sh": sh.Main, "ash": sh.Main, "bash": sh.Main, "kill": shellKill, "test": shellTest, "[": shellTest,
	}
	for _, family := range []map[string]proc.Main{texts, files, listings, systems, digests, processes, archives, network.Programs()} {
		for name, main := range family {
			all[name] = main
		}
	}
	return all
}

func shellKill(p *proc.Proc) int { return sh.Kill(p, p.Args) }
func shellTest(p *proc.Proc) int { return sh.Test(p, p.Args) }

// options are an applet's options by letter: a flag has "", a value its last value.
type options struct {
	set  map[byte]string
	all  map[byte][]string
	args []string
}

func (o *options) has(letter byte) bool {
	_, ok := o.set[letter]
	return ok
}

// parse reads options as getopt(3) does, also after operands. spec has the letters, each with ':' when it takes a value;
// a leading '+' ends the options at the first operand. long names are letters' other names. A bad option is told and
// ends the program with code 1.
func parse(p *proc.Proc, spec string, long map[string]byte) *options {
	o := &options{set: map[byte]string{}, all: map[byte][]string{}}
	spec, posix := strings.CutPrefix(spec, "+")
	rest := p.Args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			o.args = append(o.args, rest...)
			return o
		case strings.HasPrefix(arg, "--"):
			rest = o.parseLong(p, spec, long, arg[2:], rest)
		case len(arg) > 1 && arg[0] == '-':
			rest = o.parseShort(p, spec, arg[1:], rest)
		default:
			o.args = append(o.args, arg)
			if posix {
				o.args = append(o.args, rest...)
				return o
			}
		}
	}
	return o
}

func (o *options) put(letter byte, value string) {
	o.set[letter] = value
	o.all[letter] = append(o.all[letter], value)
}

func takesValue(spec string, letter byte) (known, value bool) {
	at := strings.IndexByte(spec, letter)
	return at >= 0 && letter != ':', at >= 0 && at+1 < len(spec) && spec[at+1] == ':'
}

func (o *options) parseLong(p *proc.Proc, spec string, long map[string]byte, arg string, rest []string) []string {
	name, value, given := strings.Cut(arg, "=")
	letter, ok := long[name]
	if !ok {
		p.Errorf("unrecognized option '--%s'", name)
		p.Exit(1)
	}
	if _, takes := takesValue(spec, letter); takes && !given {
		if len(rest) == 0 {
			p.Errorf("option '--%s' requires an argument", name)
			p.Exit(1)
		}
		value, rest = rest[0], rest[1:]
	}
	o.put(letter, value)
	return rest
}

func (o *options) parseShort(p *proc.Proc, spec, letters string, rest []string) []string {
	for i := 0; i < len(letters); i++ {
		letter := letters[i]
		known, takes := takesValue(spec, letter)
		switch {
		case !known:
			p.Errorf("unrecognized option: %c", letter)
			p.Exit(1)
		case !takes:
			o.put(letter, "")
		case i+1 < len(letters):
			o.put(letter, letters[i+1:])
			return rest
		case len(rest) == 0:
			p.Errorf("option requires an argument: %c", letter)
			p.Exit(1)
		default:
			o.put(letter, rest[0])
			return rest[1:]
		}
	}
	return rest
}

// need ends the program when there are fewer operands than it wants.
func need(p *proc.Proc, args []string, count int) {
	if len(args) < count {
		p.Errorf("missing operand")
		p.Exit(1)
	}
}

// eachInput opens the operands one after the other, standard input without any, and returns 1 when one failed.
func eachInput(p *proc.Proc, names []string, use func(name string, in reader) error) int {
	code := 0
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		in, err := p.Input(name)
		if err == nil {
			err = use(name, in)
			_ = in.Close()
		}
		if err != nil {
			code = openFailed(p, err)
		}
	}
	return code
}

func openFailed(p *proc.Proc, err error) int {
	p.Errorf("%s", cantOpen(err))
	return 1
}
