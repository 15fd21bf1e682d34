module chserve // a test server, no part of the program

go 1.26.8

require github.com/ebitengine/purego v0.11.3
