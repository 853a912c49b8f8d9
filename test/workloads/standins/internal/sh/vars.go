package sh

import (
	"math/rand"
	"sort"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
)

// environ shows the shell's variables and special parameters to the expansions.
type environ struct{ s *shell }

func (e environ) Get(name string) expand.Variable { return e.s.lookup(name) }

func (e environ) Each(each func(string, expand.Variable) bool) {
	for name, value := range e.s.vars {
		if !each(name, value) {
			return
		}
	}
}

func (e environ) Set(name string, value expand.Variable) error { return e.s.assign(name, value) }

func str(value string) expand.Variable {
	return expand.Variable{Set: true, Kind: expand.String, Str: value}
}

func (s *shell) lookup(name string) expand.Variable {
	switch name {
	case "#":
		return str(itoa(len(s.params)))
	case "@", "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: s.params}
	case "?":
		return str(itoa(s.status))
	case "$":
		return str(itoa(s.pid))
	case "PPID":
		return str(itoa(s.p.Parent))
	case "0":
		return str(s.name)
	case "-":
		return str(s.flags())
	case "!":
		if s.lastJob == 0 {
			return expand.Variable{}
		}
		return str(itoa(s.lastJob))
	case "LINENO":
		return str(strconv.FormatUint(uint64(s.line), 10))
	case "RANDOM":
		return str(itoa(rand.Intn(32768)))
	case "SECONDS":
		return str(itoa(int(time.Since(s.started).Seconds())))
	}
	if number, err := strconv.Atoi(name); err == nil {
		if number < 1 || number > len(s.params) {
			return expand.Variable{}
		}
		return str(s.params[number-1])
	}
	return s.vars[name]
}

func (s *shell) get(name string) string { return s.lookup(name).String() }

func (s *shell) setString(name, value string) {
	current := s.vars[name]
	current.Set, current.Kind, current.Str = true, expand.String, value
	s.vars[name] = current
}

type readOnly struct{ name string }

func (r readOnly) Error() string { return r.name + ": is read only" }

// assign sets or unsets a variable, keeping its attributes.
func (s *shell) assign(name string, value expand.Variable) error {
	current := s.vars[name]
	if current.ReadOnly && value.Kind != expand.KeepValue {
		return readOnly{name}
	}
	if !value.Set && value.Kind != expand.KeepValue {
		delete(s.vars, name)
		return nil
	}
	if value.Kind == expand.KeepValue {
		current.Exported = current.Exported || value.Exported
		current.ReadOnly = current.ReadOnly || value.ReadOnly
		s.vars[name] = current
		return nil
	}
	value.Exported = value.Exported || current.Exported || s.opts.allexport
	value.ReadOnly = value.ReadOnly || current.ReadOnly
	s.vars[name] = value
	return nil
}

// set assigns a string; a variable that is read only ends the shell, as POSIX has it.
func (s *shell) set(name, value string) {
	if err := s.assign(name, str(value)); err != nil {
		s.errorf("%s", err)
		s.exit(2)
	}
}

// declareLocal keeps what a variable was until the function returns.
func (s *shell) declareLocal(name string) {
	if len(s.locals) == 0 {
		return
	}
	scope := s.locals[len(s.locals)-1]
	if _, ok := scope[name]; ok {
		return
	}
	if old, ok := s.vars[name]; ok {
		scope[name] = &old
	} else {
		scope[name] = nil
	}
}

func (s *shell) leaveScope() {
	scope := s.locals[len(s.locals)-1]
	s.locals = s.locals[:len(s.locals)-1]
	for name, old := range scope {
		if old == nil {
			delete(s.vars, name)
		} else {
			s.vars[name] = *old
		}
	}
}

// exported is the environment of programs.
func (s *shell) exported() []string {
	var env []string
	for name, value := range s.vars {
		if value.Exported && value.Set && value.Kind == expand.String {
			env = append(env, name+"="+value.Str)
		}
	}
	// What is no name to a shell is passed on as it came.
	for _, entry := range s.p.Env {
		name, _, _ := strings.Cut(entry, "=")
		if !syntax.ValidName(name) {
			env = append(env, entry)
		}
	}
	sort.Strings(env)
	return env
}

var shortOptions = []struct {
	letter rune
	long   string
	field  func(*options) *bool
}{
	{'a', "allexport", func(o *options) *bool { return &o.allexport }},
	{'C', "noclobber", func(o *options) *bool { return &o.noclobber }},
	{'e', "errexit", func(o *options) *bool { return &o.errexit }},
	{'f', "noglob", func(o *options) *bool { return &o.noglob }},
	{'n', "noexec", func(o *options) *bool { return &o.noexec }},
	{'u', "nounset", func(o *options) *bool { return &o.nounset }},
	{'v', "verbose", func(o *options) *bool { return &o.verbose }},
	{'x', "xtrace", func(o *options) *bool { return &o.xtrace }},
	{0, "pipefail", func(o *options) *bool { return &o.pipefail }},
}

func (s *shell) setShort(letter rune, on bool) bool {
	switch letter {
	case 'm', 'b', 'h':
		return true
	}
	for _, option := range shortOptions {
		if option.letter == letter {
			*option.field(&s.opts) = on
			return true
		}
	}
	return false
}

func (s *shell) setLong(name string, on bool) bool {
	for _, option := range shortOptions {
		if option.long == name {
			*option.field(&s.opts) = on
			return true
		}
	}
	return name == "posix" || name == "monitor" || name == "vi" || name == "emacs"
}

func (s *shell) flags() string {
	var set strings.Builder
	for _, option := range shortOptions {
		if option.letter != 0 && *option.field(&s.opts) {
			set.WriteRune(option.letter)
		}
	}
	if s.interactive {
		set.WriteByte('i')
	}
	return set.String()
}

func isRoot() bool     { return posix.Geteuid() == 0 }
func hostname() string { return posix.Hostname() }

func arrayVariable(list []string) expand.Variable {
	return expand.Variable{Set: true, Kind: expand.Indexed, List: list}
}
