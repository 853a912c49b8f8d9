package sh

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// undo is what redirections have replaced.
type undo struct {
	s     *shell
	saved []savedFile
}

type savedFile struct {
	fd  int
	old *proc.File
}

func (u *undo) restore() {
	for i := len(u.saved) - 1; i >= 0; i-- {
		u.s.replace(u.saved[i].fd, u.saved[i].old)
	}
}

// forget lets the redirections stay.
func (u *undo) forget() {
	for _, saved := range u.saved {
		if saved.old != nil {
			_ = saved.old.Close()
		}
	}
}

func (u *undo) put(fd int, f *proc.File) {
	u.saved = append(u.saved, savedFile{fd, u.s.p.Files[fd]})
	if f == nil {
		delete(u.s.p.Files, fd)
	} else {
		u.s.p.Files[fd] = f
	}
}

// redirect puts redirections in force; also on an error, what was made can be taken back.
func (s *shell) redirect(redirects []*syntax.Redirect) (*undo, error) {
	made := &undo{s: s}
	for _, redirect := range redirects {
		if err := s.redirectOne(redirect, made.put); err != nil {
			return made, err
		}
	}
	return made, nil
}

func (s *shell) replace(fd int, f *proc.File) {
	if now := s.p.Files[fd]; now != nil {
		_ = now.Close()
	}
	if f == nil {
		delete(s.p.Files, fd)
	} else {
		s.p.Files[fd] = f
	}
}

func (s *shell) redirectOne(redirect *syntax.Redirect, put func(int, *proc.File)) error {
	fd := 1
	switch redirect.Op {
	case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		fd = 0
	}
	if redirect.N != nil {
		number, err := strconv.Atoi(redirect.N.Value)
		if err != nil {
			return errors.New(redirect.N.Value + ": bad descriptor")
		}
		fd = number
	}
	switch redirect.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		text, err := expand.Document(s.config(), withoutTabs(redirect))
		s.check(err)
		put(fd, proc.FromReader(strings.NewReader(text)))
		return nil
	case syntax.WordHdoc:
		put(fd, proc.FromReader(strings.NewReader(s.literal(redirect.Word)+"\n")))
		return nil
	case syntax.DplIn, syntax.DplOut:
		return s.duplicate(fd, s.literal(redirect.Word), put)
	}
	return s.redirectToFile(fd, redirect, put)
}

func (s *shell) duplicate(fd int, word string, put func(int, *proc.File)) error {
	if word == "-" {
		put(fd, nil)
		return nil
	}
	from, err := strconv.Atoi(strings.TrimSuffix(word, "-"))
	if err != nil || s.p.Files[from] == nil {
		return errors.New(word + ": Bad file descriptor")
	}
	put(fd, s.p.Files[from].Dup())
	if strings.HasSuffix(word, "-") {
		put(from, nil)
	}
	return nil
}

func (s *shell) redirectToFile(fd int, redirect *syntax.Redirect, put func(int, *proc.File)) error {
	name := s.literal(redirect.Word)
	flag := os.O_RDONLY
	verb := "open"
	switch redirect.Op {
	case syntax.RdrOut, syntax.RdrClob, syntax.RdrAll:
		flag, verb = os.O_WRONLY|os.O_CREATE|os.O_TRUNC, "create"
		if s.opts.noclobber && redirect.Op == syntax.RdrOut && !strings.HasPrefix(name, "/dev/") {
			flag |= os.O_EXCL
		}
	case syntax.AppOut, syntax.AppAll:
		flag, verb = os.O_WRONLY|os.O_CREATE|os.O_APPEND, "create"
	case syntax.RdrInOut:
		flag, verb = os.O_RDWR|os.O_CREATE, "create"
	}
	f, err := s.p.Open(name, flag)
	if err != nil {
		return errors.New("can't " + verb + " " + proc.Message(err))
	}
	put(fd, f)
	if redirect.Op == syntax.RdrAll || redirect.Op == syntax.AppAll {
		put(2, f.Dup())
	}
	return nil
}

// withoutTabs is the body of a here-document, with the tabs at the start of lines gone for <<-.
func withoutTabs(redirect *syntax.Redirect) *syntax.Word {
	if redirect.Op != syntax.DashHdoc {
		return redirect.Hdoc
	}
	body := &syntax.Word{}
	start := true
	for _, part := range redirect.Hdoc.Parts {
		literal, ok := part.(*syntax.Lit)
		if !ok {
			body.Parts = append(body.Parts, part)
			start = false
			continue
		}
		lines := strings.SplitAfter(literal.Value, "\n")
		for i, line := range lines {
			if i > 0 || start {
				lines[i] = strings.TrimLeft(line, "\t")
			}
		}
		stripped := *literal
		stripped.Value = strings.Join(lines, "")
		start = strings.HasSuffix(stripped.Value, "\n")
		body.Parts = append(body.Parts, &stripped)
	}
	return body
}
