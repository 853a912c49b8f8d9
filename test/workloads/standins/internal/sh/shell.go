// Package sh is a POSIX shell with the most used of bash's extensions. Parser and expansions are mvdan.cc/sh's; commands,
// descriptors, pipes, jobs and traps are here, over the processes of package proc.
package sh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// flow is what a statement asks of those around it.
type flow int

const (
	onward flow = iota
	breaking
	continuing
	returning
)

type options struct {
	errexit, nounset, xtrace, noglob, noexec, verbose, allexport, pipefail, noclobber bool
}

// shell is a shell environment: that of the process, or of a subshell.
type shell struct {
	p       *proc.Proc
	name    string
	params  []string
	vars    map[string]expand.Variable
	locals  []map[string]*expand.Variable
	funcs   map[string]*syntax.Stmt
	aliases map[string]string
	opts    options

	status int
	// substituted is the status of the last command substitution of a command.
	substituted int
	flow        flow
	// levels is how many loops a break or continue still leaves.
	levels int
	loops  int
	calls  int
	// tested counts the conditions around a command, where errexit does not hold.
	tested int

	traps    *traps
	jobs     []*job
	lastJob  int
	subshell bool
	// pid is $$: that of the main shell, in subshells too.
	pid         int
	interactive bool
	line        uint
	started     time.Time
}

// exitShell unwinds a shell that ends in the middle of a command.
type exitShell struct{ code int }

// Main is sh(1).
func Main(p *proc.Proc) int {
	s := &shell{
		p: p, name: p.Args[0], vars: map[string]expand.Variable{}, funcs: map[string]*syntax.Stmt{},
		aliases: map[string]string{}, traps: newTraps(), pid: p.PID, started: time.Now(),
	}
	s.importEnv()
	command, source, code := s.parseArgs(p.Args[1:])
	if code >= 0 {
		return code
	}
	return s.runMain(command, source)
}

func (s *shell) importEnv() {
	for _, entry := range s.p.Env {
		name, value, ok := strings.Cut(entry, "=")
		if ok && syntax.ValidName(name) {
			s.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
		}
	}
	defaults := map[string]string{"PATH": proc.DefaultPath, "IFS": " \t\n", "PS1": "\\w $ ", "PS2": "> ", "PS4": "+ ", "OPTIND": "1"}
	for name, value := range defaults {
		if !s.vars[name].Set || name == "IFS" {
			s.vars[name] = expand.Variable{Set: true, Kind: expand.String, Str: value}
		}
	}
	s.setString("PWD", s.p.Dir)
}

// parseArgs reads sh's options. Exactly one of command and source is there; a code that is not negative ends the shell.
func (s *shell) parseArgs(args []string) (command *string, source io.ReadCloser, code int) {
	wantsCommand, fromStdin := false, false
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		for _, letter := range arg[1:] {
			switch letter {
			case 'c':
				wantsCommand = true
			case 's':
				fromStdin = true
			case 'i':
				s.interactive = true
			case 'l':
			case 'o':
				if len(args) == 0 || !s.setLong(args[0], arg[0] == '-') {
					fmt.Fprintf(s.p.Err(), "%s: illegal option -o\n", s.name)
					return nil, nil, 2
				}
				args = args[1:]
			default:
				if !s.setShort(letter, arg[0] == '-') {
					fmt.Fprintf(s.p.Err(), "%s: illegal option -%c\n", s.name, letter)
					return nil, nil, 2
				}
			}
		}
	}
	if wantsCommand {
		if len(args) == 0 {
			fmt.Fprintf(s.p.Err(), "%s: -c requires an argument\n", s.name)
			return nil, nil, 2
		}
		if len(args) > 1 {
			s.name, s.params = args[1], args[2:]
		}
		return &args[0], nil, -1
	}
	if len(args) == 0 || fromStdin {
		s.params = args
		s.interactive = s.interactive || isTerminal(s.p.Files[0])
		return nil, io.NopCloser(s.p), -1
	}
	file, err := s.p.Input(args[0])
	if err != nil {
		fmt.Fprintf(s.p.Err(), "%s: can't open '%s'\n", s.name, args[0])
		return nil, nil, 2
	}
	s.name, s.params = args[0], args[1:]
	return nil, file, -1
}

func isTerminal(f *proc.File) bool {
	if f == nil || f.OS() == nil {
		return false
	}
	info, err := f.OS().Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *shell) runMain(command *string, source io.ReadCloser) int {
	s.p.OnSignal = s.traps.deliver
	stop := s.traps.listen(s.p.Context())
	defer stop()
	return s.untilExit(func() {
		if command != nil {
			s.runSource(strings.NewReader(*command))
			return
		}
		defer source.Close()
		if s.interactive {
			s.runInteractive(source)
			return
		}
		s.runSource(source)
	})
}

// untilExit runs something that may end the shell, then the EXIT trap, and returns the exit code.
func (s *shell) untilExit(run func()) int {
	s.catchExit(run)
	if action, ok := s.traps.take("EXIT"); ok && action != "" {
		code := s.status
		s.catchExit(func() {
			s.runSource(strings.NewReader(action))
			s.status = code
		})
	}
	return s.status & 0xff
}

func (s *shell) catchExit(run func()) {
	defer func() {
		if reason := recover(); reason != nil {
			end, ok := reason.(exitShell)
			if !ok {
				panic(reason)
			}
			s.status = end.code
		}
	}()
	run()
}

func (s *shell) exit(code int) { panic(exitShell{code}) }

// runSource runs commands as they are read: what stands before a syntax error has run by then.
func (s *shell) runSource(source io.Reader) {
	for statement, err := range newParser().StmtsSeq(source) {
		if err != nil {
			s.syntaxError(err)
			return
		}
		if s.opts.verbose {
			_ = syntax.NewPrinter().Print(s.p.Err(), statement)
			fmt.Fprintln(s.p.Err())
		}
		s.stmt(statement)
		if s.flow != onward {
			return
		}
	}
}

func (s *shell) syntaxError(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	fmt.Fprintf(s.p.Err(), "%s: syntax error: %s\n", s.name, err)
	s.status = 2
	if !s.interactive {
		s.exit(2)
	}
}

func (s *shell) runInteractive(source io.Reader) {
	fmt.Fprint(s.p.Err(), s.prompt())
	parser := newParser()
	for {
		for statements, err := range parser.InteractiveSeq(source) {
			if err != nil {
				s.syntaxError(err)
				break
			}
			if parser.Incomplete() {
				fmt.Fprint(s.p.Err(), s.get("PS2"))
				continue
			}
			for _, statement := range statements {
				s.stmt(statement)
			}
			s.flow = onward
			fmt.Fprint(s.p.Err(), s.prompt())
		}
		if s.status != 2 || errorsAtEnd(source) {
			return
		}
	}
}

// errorsAtEnd tells whether an interactive shell's input has come to its end.
func errorsAtEnd(source io.Reader) bool {
	_, err := source.Read(nil)
	return err != nil
}

func (s *shell) prompt() string {
	user := "$"
	if isRoot() {
		user = "#"
	}
	dir := s.p.Dir
	if home := s.get("HOME"); home != "" && home != "/" && strings.HasPrefix(dir+"/", home+"/") {
		dir = "~" + dir[len(home):]
	}
	return strings.NewReplacer("\\w", dir, "\\$", user, "\\h", hostname(), "$ ", user+" ").Replace(s.get("PS1"))
}

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

// fork copies the environment for a subshell, a process of its own. The caller runs it and ends its process.
func (s *shell) fork(ctx context.Context, files map[int]*proc.File) *shell {
	p := s.p.System.Start(ctx, proc.Spec{
		Args: s.p.Args, Env: s.p.Env, Dir: s.p.Dir, Files: files, Parent: s.p.PID,
	})
	child := *s
	child.p = p
	child.vars = maps.Clone(s.vars)
	child.locals = nil
	child.funcs = maps.Clone(s.funcs)
	child.aliases = maps.Clone(s.aliases)
	child.traps = s.traps.inherited()
	p.OnSignal = child.traps.deliver
	child.jobs = nil
	child.subshell = true
	child.interactive = false
	child.flow, child.loops, child.tested = onward, 0, 0
	return &child
}

// inSubshell runs something in a subshell with these files, here, and returns its exit code.
func (s *shell) inSubshell(files map[int]*proc.File, run func(*shell)) int {
	child := s.fork(s.p.Context(), files)
	return child.p.RunHere(func(*proc.Proc) int { return child.untilExit(func() { run(child) }) })
}

// dupFiles are the shell's descriptors once more, for a child to close.
func (s *shell) dupFiles() map[int]*proc.File {
	files := make(map[int]*proc.File, len(s.p.Files))
	for fd, f := range s.p.Files {
		files[fd] = f.Dup()
	}
	return files
}

func (s *shell) errorf(format string, args ...any) {
	fmt.Fprintf(s.p.Err(), "%s: %s\n", s.name, fmt.Sprintf(format, args...))
}

func itoa(n int) string { return strconv.Itoa(n) }
