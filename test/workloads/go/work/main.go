// As c/work.c, with Go's standard library: work FOLDER [ARGUMENT...]; work trap
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func clocks() {
	begin := time.Now()
	time.Sleep(5 * time.Millisecond)
	fmt.Printf("clocks: past 2020 %s, slept %s\n",
		yes(begin.Year() > 2020), yes(time.Since(begin) >= 5*time.Millisecond))
}

func randoms() {
	fmt.Printf("random: differs %s\n", yes(rand.Text() != rand.Text()))
}

func sorting() {
	numbers := make([]uint32, 10_000)
	state := uint32(1)
	for i := range numbers {
		state = state*1664525 + 1013904223
		numbers[i] = state
	}
	slices.Sort(numbers)
	hash := uint32(2166136261)
	for _, number := range numbers {
		hash = (hash ^ number) * 16777619
	}
	fmt.Printf("sorted: %d %d %d %08x\n", numbers[0], numbers[len(numbers)/2], numbers[len(numbers)-1], hash)
}

// The sum goes through a goroutine and a channel: Go's scheduler at work.
func floats() {
	terms := make(chan float64)
	var group sync.WaitGroup
	group.Go(func() {
		defer close(terms)
		for i := 1.0; i <= 10_000; i++ {
			terms <- math.Sqrt(i) / (i * i)
		}
	})
	sum := 0.0
	for term := range terms {
		sum += term
	}
	group.Wait()
	fmt.Printf("floats: %.12f %.6f\n", sum, math.Sin(1)*math.Exp(1))
}

func files(folder string) {
	in := func(name string) string { return filepath.Join(folder, name) }
	check(os.Mkdir(in("c"), 0o777))
	check(os.WriteFile(in("b.txt"), []byte("first line\n"), 0o666))
	appended, err := os.OpenFile(in("b.txt"), os.O_APPEND|os.O_WRONLY, 0)
	check(err)
	_, err = appended.WriteString("second line\n")
	check(err)
	check(appended.Close())
	check(os.WriteFile(in("c/old.txt"), []byte("0123456789"), 0o666))
	check(os.Rename(in("c/old.txt"), in("a.txt")))
	entries, err := os.ReadDir(folder)
	check(err)
	fmt.Print("folder:")
	for _, entry := range entries {
		fmt.Print(" ", entry.Name(), strings.Repeat("/", map[bool]int{true: 1}[entry.IsDir()]))
	}
	file, err := os.Open(in("a.txt"))
	check(err)
	text := make([]byte, 4)
	_, err = file.ReadAt(text, 3)
	check(err)
	check(file.Close())
	_, missing := os.Stat(in("missing"))
	status, err := os.Stat(in("b.txt"))
	check(err)
	fmt.Printf("\nfiles: %d bytes, reads %s, missing %s\n", status.Size(), text, yes(errors.Is(missing, fs.ErrNotExist)))
	check(os.Remove(in("c")))
	check(os.Remove(in("a.txt")))
}

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	if os.Args[1] == "trap" {
		panic("as asked")
	}
	fmt.Print("arguments:")
	for _, argument := range os.Args[2:] {
		fmt.Printf(" [%s]", argument)
	}
	fmt.Printf("\nGREETING: %s\n", os.Getenv("GREETING"))
	clocks()
	randoms()
	sorting()
	floats()
	files(os.Args[1])
	fmt.Fprintln(os.Stderr, "to standard error")
	os.Exit(3)
}
