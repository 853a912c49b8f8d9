// Command tools holds the small programs that the C guests are, as Go programs do them, in one module:
//
//	tools exit CODE
//	tools ticker MILLISECONDS COUNT [EXIT-CODE]
//	tools cat PATH...
//	tools env
//	tools files FOLDER
//	tools flood BYTES
//	tools sleep
//	tools panic
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: tools COMMAND [ARGUMENT...]"))
	}
	arguments := os.Args[2:]
	switch command := os.Args[1]; command {
	case "exit":
		os.Exit(number(arguments, 0))
	case "ticker":
		ticker(arguments)
	case "cat":
		cat(arguments)
	case "env":
		for _, entry := range os.Environ() {
			fmt.Println(entry)
		}
	case "files":
		files(arguments)
	case "flood":
		flood(number(arguments, 0))
	case "sleep":
		for {
			time.Sleep(time.Hour)
		}
	case "panic":
		panic("as asked")
	default:
		fail(fmt.Errorf("no command %q", command))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tools:", err)
	os.Exit(1)
}

func number(arguments []string, index int) int {
	if index >= len(arguments) {
		fail(fmt.Errorf("argument %d is missing", index+1))
	}
	value, err := strconv.Atoi(arguments[index])
	if err != nil {
		fail(err)
	}
	return value
}

func ticker(arguments []string) {
	pause, count := time.Duration(number(arguments, 0))*time.Millisecond, number(arguments, 1)
	for i := 1; i <= count; i++ {
		fmt.Println(i)
		if i < count {
			time.Sleep(pause)
		}
	}
	if len(arguments) > 2 {
		os.Exit(number(arguments, 2))
	}
}

func cat(paths []string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			fail(err)
		}
		if info.IsDir() {
			entries, err := os.ReadDir(path)
			if err != nil {
				fail(err)
			}
			for _, entry := range entries {
				fmt.Println(entry.Name())
			}
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			fail(err)
		}
		os.Stdout.Write(content)
	}
}

func flood(size int) {
	out := bufio.NewWriterSize(os.Stdout, 65536)
	for i := 1; i <= size/100; i++ {
		fmt.Fprintf(out, "%012d %s\n", i, bytes.Repeat([]byte{byte('a' + i%26)}, 86))
	}
	if err := out.Flush(); err != nil {
		fail(err)
	}
}

func files(arguments []string) {
	if len(arguments) != 1 {
		fail(errors.New("usage: tools files FOLDER"))
	}
	folder := filepath.Join(arguments[0], "files-test")
	first, second := filepath.Join(folder, "first"), filepath.Join(folder, "deeper", "second")
	check("mkdir", os.MkdirAll(filepath.Dir(second), 0o777))
	check("write", os.WriteFile(first, []byte("hello, file"), 0o666))
	check("rename", os.Rename(first, second))
	if _, err := os.Stat(first); !errors.Is(err, fs.ErrNotExist) {
		check("old name is gone", fmt.Errorf("stat says %v", err))
	}
	content, err := os.ReadFile(second)
	check("read", err)
	if string(content) != "hello, file" {
		check("read", fmt.Errorf("content is %q", content))
	}
	entries, err := os.ReadDir(folder)
	check("readdir", err)
	if len(entries) != 1 || entries[0].Name() != "deeper" || !entries[0].IsDir() {
		check("readdir", fmt.Errorf("entries are %v", entries))
	}
	check("truncate", os.Truncate(second, 5))
	info, err := os.Stat(second)
	check("stat", err)
	if info.Size() != 5 {
		check("stat", fmt.Errorf("size is %d", info.Size()))
	}
	check("remove", os.RemoveAll(folder))
	fmt.Println("all good")
}

func check(what string, err error) {
	if err != nil {
		fail(fmt.Errorf("%s: %w", what, err))
	}
	fmt.Println("ok", what)
}
