package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
)

// helperTime is how long a credential helper may take.
const helperTime = 30 * time.Second

// askHelper runs docker-credential-HELPER, which answers on stdout
// (https://github.com/docker/docker-credential-helpers#development). No
// credentials are no error; everything else that goes wrong is, and is never a
// reason to look elsewhere (CVE-2021-41092). What the helper prints on stdout is
// never part of an error.
func askHelper(ctx context.Context, helper, server string) (authn.AuthConfig, error) {
	if !helperName(helper) {
		return authn.AuthConfig{}, fmt.Errorf("credential helper %q: not a name of letters, digits, '.', '_' and '-'", printable(helper))
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	program := "docker-credential-" + helper
	answer, talk := &capped{limit: maxError}, &capped{limit: maxMessage}
	cmd := exec.CommandContext(ctx, program, credentials.ActionGet) //nolint:gosec // the name was checked
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(server), answer, talk
	cmd.WaitDelay = 200 * time.Millisecond // for what the helper started and left behind
	if err := cmd.Run(); err != nil {
		return authn.AuthConfig{}, helperFailure(ctx, program, err, string(answer.kept), string(talk.kept))
	}
	var found credentials.Credentials
	if err := json.Unmarshal(answer.kept, &found); err != nil {
		return authn.AuthConfig{}, fmt.Errorf("credential helper %s: its answer is no JSON object of ServerURL, Username, Secret", program)
	}
	if found.Username == "<token>" {
		return authn.AuthConfig{IdentityToken: found.Secret}, nil
	}
	return authn.AuthConfig{Username: found.Username, Password: found.Secret}, nil
}

// helperFailure tells a helper that has no credentials from one that failed.
func helperFailure(ctx context.Context, program string, err error, answer, talk string) error {
	answer = strings.TrimSpace(answer)
	var exit *exec.ExitError
	switch {
	case context.Cause(ctx) != nil:
		return fmt.Errorf("credential helper %s: %w", program, context.Cause(ctx))
	case errors.As(err, &exit) && (credentials.IsErrCredentialsNotFoundMessage(answer) ||
		credentials.IsCredentialsMissingServerURLMessage(answer)):
		return nil
	case talk != "":
		return fmt.Errorf("credential helper %s: %w: %s", program, err, printable(talk))
	}
	return fmt.Errorf("credential helper %s: %w", program, err)
}

func helperName(s string) bool {
	for _, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("._-", r) {
			return false
		}
	}
	return s != ""
}

// capped keeps the first limit bytes of what is written to it. It does not
// embed its buffer, whose ReadFrom would know no limit.
type capped struct {
	kept  []byte
	limit int
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[:min(len(p), c.limit-len(c.kept))]...)
	return len(p), nil
}
