// A web server with nothing but Go's own net/http: it serves on the first listening descriptor that it was given
// (LISTEN_FDS), as WASI Preview 1 lets it.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

// firstListener is where the descriptors of LISTEN_FDS begin.
const firstListener = 3

func main() {
	if os.Getenv("LISTEN_FDS") == "" {
		log.Fatal("LISTEN_FDS is not set: the container declares no TCP port")
	}
	listener, err := net.FileListener(os.NewFile(firstListener, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", os.Getenv("LISTEN_FDNAMES"))
	handler := func(w http.ResponseWriter, r *http.Request) {
		entries, err := os.ReadDir("/")
		fmt.Fprintf(w, "hello %s, %d files, %v\n", r.URL.Path, len(entries), err)
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(handler)))
}
