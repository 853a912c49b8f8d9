;; Imports what no host has: a module that is valid and cannot be instantiated.
(module
  (import "nobody" "has_this" (func $missing))
  (memory (export "memory") 1)
  (func (export "_start") (call $missing)))
