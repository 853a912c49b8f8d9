package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// htpasswd prints the line of an htpasswd file for the user named by the first argument, whose password it reads from
// standard input. The reference registry takes bcrypt only, which Node does not have.
func htpasswd(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: control-plane htpasswd USER < password")
	}
	password, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(strings.TrimRight(string(password), "\n")), bcrypt.MinCost)
	if err != nil {
		return err
	}
	fmt.Printf("%s:%s\n", arguments[0], hash)
	return nil
}
