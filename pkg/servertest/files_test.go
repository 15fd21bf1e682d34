package servertest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestServersOfFilesComeBackWithTheirFolders(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (*FileServer, func(testing.TB) string){
		"OpenSSH": func(t *testing.T) (*FileServer, func(testing.TB) string) {
			s := StartSFTP(t)
			return s.FileServer, s.Folder
		},
		"ProFTPD with SFTP": func(t *testing.T) (*FileServer, func(testing.TB) string) {
			s := StartOtherSFTP(t)
			return s.FileServer, s.Folder
		},
		"FTP, explicit TLS": func(t *testing.T) (*FileServer, func(testing.TB) string) {
			s := StartFTP(t, "explicit")
			return s.FileServer, s.Folder
		},
		"FTP, implicit TLS": func(t *testing.T) (*FileServer, func(testing.TB) string) {
			s := StartFTP(t, "implicit")
			return s.FileServer, s.Folder
		},
		"FTP without TLS": func(t *testing.T) (*FileServer, func(testing.TB) string) {
			s := StartFTP(t, "none")
			return s.FileServer, s.Folder
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, folder := open(t)
			first := folder(t)
			for how, end := range map[string]func(){"stopped": s.Stop, "crashed": s.Crash} {
				end()
				if err := listens(s.Port)(t.Context()); err == nil {
					t.Errorf("%s: it answers", how)
				}
				s.Start(t)
				folder(t)
			}
			if info, err := os.Stat(filepath.Join(s.Local, filepath.Base(first))); err != nil || !info.IsDir() {
				t.Errorf("the folder %s: got %v", first, err)
			}
		})
	}
}
