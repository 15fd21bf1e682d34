package sftp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// ahead is how much of a blob is asked for, or sent, before the server has answered. A transfer holds that in memory.
const ahead = 512 << 10

// Extensions of OpenSSH's that servers may have.
const (
	posixRename = "posix-rename@openssh.com"
	fsync       = "fsync@openssh.com"
)

// session is a login.
type session struct {
	ssh  *ssh.Client
	sftp *sftp.Client
}

func (s *session) has(extension string) bool {
	_, ok := s.sftp.HasExtension(extension)
	return ok
}

// Alive implements fileserver.Session.
func (s *session) Alive() error {
	_, err := s.sftp.RealPath(".")
	return err
}

// Folder implements fileserver.Session.
func (s *session) Folder(name string) (string, error) {
	if name == "" {
		name = "."
	}
	whole, err := s.sftp.RealPath(name)
	if err != nil {
		return "", err
	}
	found, err := s.sftp.Stat(whole)
	if err == nil && !found.IsDir() {
		err = errors.New("it is not a folder")
	}
	return whole, err
}

// Create implements fileserver.Session.
func (s *session) Create(name string, r io.Reader) (size int64, err error) {
	f, err := s.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := send(f, r); err != nil {
		return 0, err
	}
	if s.has(fsync) {
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("sync: %w", err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func send(f *sftp.File, r io.Reader) error {
	buf := make([]byte, ahead)
	for {
		n, err := transfer.Fill(r, buf)
		if err != nil && !errors.Is(err, transfer.ErrEnd) {
			return err
		}
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the end
		}
	}
}

// Open implements fileserver.Session.
func (s *session) Open(name string) (io.ReadCloser, int64, error) {
	f, err := s.sftp.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return file{bufio.NewReaderSize(f, ahead), f}, info.Size(), nil
}

// file is read in pieces that are large enough to be asked for in several requests at once.
type file struct {
	io.Reader
	io.Closer
}

// Rename implements fileserver.Session.
func (s *session) Rename(from, to string) error {
	if s.has(posixRename) {
		return s.sftp.PosixRename(from, to)
	}
	return s.sftp.Rename(from, to)
}

// Remove implements fileserver.Session.
func (s *session) Remove(name string) error { return s.sftp.Remove(name) }

// MakeFolders implements fileserver.Session.
func (s *session) MakeFolders(name string) error { return s.sftp.MkdirAll(name) }

// RemoveFolder implements fileserver.Session.
func (s *session) RemoveFolder(name string) error { return s.sftp.RemoveDirectory(name) }

// Find implements fileserver.Session. Below a file there is nothing, which some servers call a failure, or denied.
func (s *session) Find(name string) (fileserver.Entry, error) {
	info, err := s.sftp.Stat(name)
	if err == nil {
		return entry(info), nil
	}
	if dir := path.Dir(name); refused(err) && !errors.Is(err, fs.ErrNotExist) && dir != name {
		if above, aerr := s.Find(dir); aerr == nil && !above.Folder || errors.Is(aerr, fs.ErrNotExist) {
			err = errors.Join(fs.ErrNotExist, err)
		}
	}
	return fileserver.Entry{}, err
}

// refused reports whether the server has answered.
func refused(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func entry(info fs.FileInfo) fileserver.Entry {
	return fileserver.Entry{Name: info.Name(), Folder: info.IsDir(), Time: info.ModTime()}
}

// List implements fileserver.Session.
func (s *session) List(folder string) ([]fileserver.Entry, error) {
	infos, err := s.sftp.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	entries := make([]fileserver.Entry, len(infos))
	for i, info := range infos {
		entries[i] = entry(info)
	}
	return entries, nil
}

// Sync implements fileserver.Session. OpenSSH opens a folder as it does a file, and then syncs it; other servers refuse that.
func (s *session) Sync(folders []string) error {
	if !s.has(fsync) {
		return nil
	}
	errs := make([]error, len(folders))
	var all sync.WaitGroup
	for i, name := range folders { // at once, as each takes three round trips
		all.Go(func() { errs[i] = s.syncFolder(name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *session) syncFolder(name string) (err error) {
	f, err := s.sftp.Open(name)
	if refused(err) {
		return nil // not as a file; or the blob was deleted meanwhile
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the folder %s: %w", name, err)
	}
	return nil
}

// Close implements fileserver.Session.
func (s *session) Close() error { return errors.Join(s.ssh.Close(), s.sftp.Close()) }
