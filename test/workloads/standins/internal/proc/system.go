package proc

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultPath is where programs are looked for when PATH is not set.
const DefaultPath = "/sbin:/usr/sbin:/bin:/usr/bin"

// System is the programs of one instance and the processes that run in it.
type System struct {
	// Programs by name.
	Programs map[string]Main
	// Standalone finds programs by their name alone, without a file on PATH.
	Standalone bool

	mu    sync.Mutex
	last  int
	procs map[int]*Proc
}

// MainProgram runs the instance's first process with what the system gave it: the program of args[0]'s base name, or
// that called fallback where no program has this name. It returns the exit code.
func (s *System) MainProgram(fallback string, args []string) int {
	if len(args) == 0 {
		args = []string{fallback}
	}
	main, ok := s.Programs[strings.TrimSuffix(path.Base(args[0]), ".wasm")]
	if !ok {
		main = s.Programs[fallback]
	}
	files := map[int]*File{0: FromOS(os.Stdin), 1: FromOS(os.Stdout), 2: FromOS(os.Stderr)}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	return s.Start(context.Background(), Spec{Args: args, Env: os.Environ(), Dir: dir, Files: files}).RunHere(main)
}

// Spec is what a process starts with. Files are handed over: the process closes them.
type Spec struct {
	Args   []string
	Env    []string
	Dir    string
	Files  map[int]*File
	Parent int
}

// Start registers a process; RunHere or RunLookup then run it.
func (s *System) Start(ctx context.Context, spec Spec) *Proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.procs == nil {
		s.procs = map[int]*Proc{}
		s.last = firstPID() - 1
	}
	s.last++
	ctx, cancel := context.WithCancelCause(ctx)
	p := &Proc{
		System: s, PID: s.last, Parent: spec.Parent, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, Files: spec.Files,
		Started: time.Now(), ctx: ctx, cancel: cancel, done: make(chan struct{}),
	}
	s.procs[p.PID] = p
	return p
}

// Find is a process by id, nil when there is none.
func (s *System) Find(pid int) *Proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[pid]
}

// Processes are all that run, by id.
func (s *System) Processes() []*Proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Proc
	for _, p := range s.procs {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Proc) int { return a.PID - b.PID })
	return all
}

// Signal sends a signal: one that the process does not handle ends it.
func (p *Proc) Signal(number int) {
	if number == int(syscall.SIGKILL) || p.OnSignal == nil || !p.OnSignal(number) {
		p.cancel(Signalled(number))
	}
}

// Done is closed when the process has ended; Status is its exit code then.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Status is the exit code of a process that has ended.
func (p *Proc) Status() int { return p.status }

// RunHere runs main (nil: the program that Args name) on this goroutine until it ends, closes its descriptors, and
// returns its exit code.
func (p *Proc) RunHere(main Main) (code int) {
	defer func() {
		if reason := recover(); reason != nil {
			end, ok := reason.(exit)
			if !ok {
				panic(reason)
			}
			code = end.code
		}
		p.finish(code)
	}()
	if main != nil {
		return main(p)
	}
	return p.exec(p.Args)
}

func (p *Proc) finish(code int) {
	p.status = code
	for _, f := range p.Files {
		_ = f.Close()
	}
	p.System.mu.Lock()
	delete(p.System.procs, p.PID)
	p.System.mu.Unlock()
	p.cancel(nil)
	close(p.done)
}

// Child starts a program with this process's files and environment, and waits for its exit code. Streams that are not
// nil replace those of the process.
func (p *Proc) Child(args []string, stdin io.Reader) int {
	return p.ChildIn(p.ctx, args, p.Env, stdin)
}

// ChildIn is Child with a context that can end it and an environment of its own.
func (p *Proc) ChildIn(ctx context.Context, args, env []string, stdin io.Reader) int {
	files := map[int]*File{}
	for fd, f := range p.Files {
		files[fd] = f.Dup()
	}
	if stdin != nil {
		_ = files[0].Close()
		files[0] = FromReader(stdin)
	}
	child := p.System.Start(ctx, Spec{Args: args, Env: env, Dir: p.Dir, Files: files, Parent: p.PID})
	return child.RunHere(nil)
}

// exec finds the program that args name, in the instance or as a script, and runs it in this process.
func (p *Proc) exec(args []string) int {
	p.Args = args
	main, err := p.System.Lookup(p, args[0])
	if err != nil {
		p.Errorf("%s", Message(err))
		if isNotFound(err) {
			return 127
		}
		return 126
	}
	return main(p)
}

func isNotFound(err error) bool {
	pathError, ok := err.(*fs.PathError)
	return ok && (pathError.Err == fs.ErrNotExist || pathError.Err == syscall.ENOENT || pathError.Err == errNotFound)
}

type notFound struct{}

func (notFound) Error() string { return "not found" }

var errNotFound error = notFound{}

// Lookup finds a program as execvp(3) does: by its path, or by its name on PATH. A link to this instance's own module is
// the program of the link's name; a script is run by its interpreter.
// Errors name the program: 'not found', 'Permission denied', and 'cannot execute' of other modules, which no guest can
// start.
func (s *System) Lookup(p *Proc, name string) (Main, error) {
	if strings.Contains(name, "/") {
		return s.load(p, name, name)
	}
	if s.Standalone {
		if main, ok := s.Programs[name]; ok {
			return main, nil
		}
	}
	search := p.Getenv("PATH")
	if search == "" {
		search = DefaultPath
	}
	for _, dir := range strings.Split(search, ":") {
		file := path.Join(p.Path(dir), name)
		info, err := os.Stat(file)
		if err == nil && !info.IsDir() && mayExecute(file) {
			return s.load(p, file, name)
		}
	}
	return nil, &fs.PathError{Op: "exec", Path: name, Err: errNotFound}
}

// WhichFile is the file that a name on PATH means, "" when there is none.
func WhichFile(p *Proc, name string) string {
	if strings.Contains(name, "/") {
		if info, err := os.Stat(p.Path(name)); err == nil && !info.IsDir() {
			return name
		}
		return ""
	}
	search := p.Getenv("PATH")
	if search == "" {
		search = DefaultPath
	}
	for _, dir := range strings.Split(search, ":") {
		file := path.Join(p.Path(dir), name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && mayExecute(file) {
			return file
		}
	}
	return ""
}

func (s *System) load(p *Proc, file, name string) (Main, error) {
	full := p.Path(file)
	info, err := os.Stat(full)
	if err != nil {
		return nil, &fs.PathError{Op: "exec", Path: name, Err: errNotFound}
	}
	if info.IsDir() || !mayExecute(full) {
		return nil, &fs.PathError{Op: "exec", Path: name, Err: syscall.EACCES}
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, withPath(err, name)
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, withPath(err, name)
	}
	return s.recognise(full, name, head[:n])
}

func (s *System) recognise(full, name string, head []byte) (Main, error) {
	if bytes.HasPrefix(head, []byte("\x00asm")) {
		if main, ok := s.Programs[path.Base(full)]; ok {
			return main, nil
		}
		return nil, &fs.PathError{Op: "exec", Path: name, Err: errCannotStart}
	}
	interpreter := []string{"/bin/sh"}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		interpreter = strings.SplitN(strings.TrimSpace(string(line)), " ", 2)
	}
	return func(p *Proc) int {
		return p.exec(append(append([]string{}, interpreter...), append([]string{full}, p.Args[1:]...)...))
	}, nil
}

type cannotStart struct{}

func (cannotStart) Error() string { return "cannot execute: a guest cannot start other modules" }

var errCannotStart error = cannotStart{}
