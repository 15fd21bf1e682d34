package ingest

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync"
)

var errPlatter = errors.New("the platter is scratched")

// platter is the disk below one life of a writer. It fails when it is told to, and knows what a power loss may take.
type platter struct {
	mu    sync.Mutex
	files []*platterFile
	after int // calls that still work before the fault,
	lasts int // and then so many fail
	part  int // of 100, how much of a write that fails is done
}

// platterFile is an open batch file. What a call of it does is real, but for the sync: there is no power loss here.
type platterFile struct {
	p      *platter
	f      file
	pin    *os.File // held through the life, so that no other file looks the same
	info   os.FileInfo
	size   int64
	synced int64
}

// arm lets lasts calls fail, after some that work.
func (p *platter) arm(after, lasts, part int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.lasts, p.part = after, lasts, part
}

func (p *platter) heal() { p.arm(math.MaxInt, 0, 0) }

// call counts a call. The caller holds mu.
func (p *platter) call() error {
	switch {
	case p.after > 0:
		p.after--
	case p.lasts > 0:
		p.lasts--
		return errPlatter
	}
	return nil
}

func (p *platter) open(path string, length int64) (file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call(); err != nil {
		return nil, err
	}
	f, err := openBatchFile(path, length)
	if err != nil {
		return nil, err
	}
	pin, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	info, err := pin.Stat()
	if err != nil {
		return nil, errors.Join(err, pin.Close(), f.Close())
	}
	pf := &platterFile{p: p, f: f, pin: pin, info: info, size: length}
	for _, earlier := range p.files {
		if os.SameFile(earlier.info, info) {
			pf.synced = earlier.synced
		}
	}
	p.files = append(p.files, pf)
	return pf, nil
}

func (f *platterFile) Write(b []byte) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	fault := f.p.call()
	if fault != nil {
		b = b[:len(b)*f.p.part/100]
	}
	n, err := f.f.Write(b)
	f.size += int64(n)
	return n, firstOf(err, fault)
}

func (f *platterFile) Sync() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.call(); err != nil {
		return err
	}
	f.synced = f.size
	return nil
}

func (f *platterFile) Truncate(size int64) error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.call(); err != nil {
		return err
	}
	f.size, f.synced = size, min(f.synced, size)
	return f.f.Truncate(size)
}

func (f *platterFile) Close() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	return firstOf(f.f.Close(), f.p.call())
}

// end ends the life.
func (p *platter) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, f := range p.files {
		err = errors.Join(err, f.pin.Close())
	}
	return err
}

// losePower takes from each file what was not synced, all but part percent of it, wherever the file is now: it is cut off,
// or, where zeros had been written ahead of the rows, zeros again.
func (p *platter) losePower(dir string, part int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, state := range [...]string{open, ready} {
		paths, err := filepath.Glob(filepath.Join(dir, state, "*", "*", "*"+batchSuffix))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := p.lose(path, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *platter) lose(path string, part int) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	synced, size := int64(-1), int64(0)
	for _, pf := range p.files {
		if os.SameFile(pf.info, info) {
			synced, size = max(synced, pf.synced), pf.size
		}
	}
	if synced < 0 {
		return nil
	}
	kept := synced + max(size-synced, 0)*int64(part)/100
	if info.Size() <= size {
		return f.Truncate(min(kept, info.Size()))
	}
	_, err = f.WriteAt(make([]byte, max(size-kept, 0)), kept)
	return err
}
