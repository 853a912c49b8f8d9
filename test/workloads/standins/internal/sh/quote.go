package sh

import (
	"regexp"
	"strings"
	"sync"
)

// quote writes a word so that a shell reads it back.
func quote(word string) string {
	if word != "" && strings.IndexFunc(word, needsQuotes) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func needsQuotes(r rune) bool {
	return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,+@%^", r)
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}

var (
	expressions   = map[string]*regexp.Regexp{}
	expressionsMu sync.Mutex
)

// compiled remembers expressions: loops match the same ones over and over.
func compiled(expression string) *regexp.Regexp {
	expressionsMu.Lock()
	defer expressionsMu.Unlock()
	if found, ok := expressions[expression]; ok {
		return found
	}
	if len(expressions) > 256 {
		clear(expressions)
	}
	made := regexp.MustCompile(expression)
	expressions[expression] = made
	return made
}
