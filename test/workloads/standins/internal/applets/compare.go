package applets

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func contents(p *proc.Proc, name string) ([]byte, error) {
	in, err := p.Input(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(in)
}

func cmpFiles(p *proc.Proc) int {
	o := parse(p, "sl", nil)
	need(p, o.args, 2)
	a, err := contents(p, o.args[0])
	if err != nil {
		openFailed(p, err)
		return 2
	}
	b, err := contents(p, o.args[1])
	if err != nil {
		openFailed(p, err)
		return 2
	}
	if bytes.Equal(a, b) {
		return 0
	}
	if o.has('s') {
		return 1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			p.Printf("%s %s differ: char %d, line %d\n", o.args[0], o.args[1], i+1, 1+bytes.Count(a[:i], []byte("\n")))
			return 1
		}
	}
	shorter := o.args[0]
	if len(b) < len(a) {
		shorter = o.args[1]
	}
	p.Errorf("EOF on %s", shorter)
	return 1
}

// diff shows one hunk around all that differs: right, if not the shortest.
func diff(p *proc.Proc) int {
	o := parse(p, "uqbwBaNr", nil)
	need(p, o.args, 2)
	a, errA := contents(p, o.args[0])
	b, errB := contents(p, o.args[1])
	for _, err := range []error{errA, errB} {
		if err != nil {
			openFailed(p, err)
			return 2
		}
	}
	if bytes.Equal(a, b) {
		return 0
	}
	if o.has('q') {
		p.Printf("Files %s and %s differ\n", o.args[0], o.args[1])
		return 1
	}
	left, right := lines(a), lines(b)
	same := 0
	for same < len(left) && same < len(right) && left[same] == right[same] {
		same++
	}
	tail := 0
	for tail < len(left)-same && tail < len(right)-same && left[len(left)-1-tail] == right[len(right)-1-tail] {
		tail++
	}
	before := max(same-3, 0)
	after := min(tail, 3)
	p.Printf("--- %s\n+++ %s\n@@ -%s +%s @@\n", o.args[0], o.args[1],
		hunk(before, len(left)-tail+after), hunk(before, len(right)-tail+after))
	show := func(sign string, some []string) {
		for _, line := range some {
			p.Printf("%s%s\n", sign, line)
		}
	}
	show(" ", left[before:same])
	show("-", left[same:len(left)-tail])
	show("+", right[same:len(right)-tail])
	show(" ", left[len(left)-tail:len(left)-tail+after])
	return 1
}

func lines(data []byte) []string {
	text := strings.TrimSuffix(string(data), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func hunk(from, to int) string {
	if to-from == 1 {
		return strconv.Itoa(from + 1)
	}
	return strconv.Itoa(from+1) + "," + strconv.Itoa(to-from)
}
