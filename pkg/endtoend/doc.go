// Package endtoend has only tests: of the whole program, as processes of their own, with real servers between them.
package endtoend
