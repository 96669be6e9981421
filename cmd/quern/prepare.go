package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
)

// prepared is a job ready to submit: the request, and what goes to the coordinator first.
type prepared struct {
	request api.SubmitRequest
	blobs   map[string]string // plugin executables and side files: digest -> path
	// pins are the SHA-256 that functions' plugins must have, by the functions' names; nil leaves it to the job file.
	pins     map[string]string
	registry string // where plugins are looked up by name; may be empty
}

// jobFlags are those of verbs that read a job file.
type jobFlags struct {
	params   []string // name=value
	registry string
}

func (f *jobFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.params, "param", "p", nil, "job parameter, name=value; repeatable")
	registryFlag(cmd, &f.registry)
}

// newRunID names a run by the second it was asked for and some randomness. It appears in paths, never in file contents.
func newRunID() string {
	var b [4]byte
	rand.Read(b[:]) // never fails, by its contract
	return time.Now().UTC().Format("20060102t150405") + "-" + hex.EncodeToString(b[:])
}

// prepareJob reads a job file, and builds and describes its plugins.
func prepareJob(ctx context.Context, path string, flags jobFlags) (*prepared, error) {
	p, err := readJob(path, flags)
	if err != nil {
		return nil, err
	}
	return p, p.addFunctions(ctx)
}

// readJob reads a job file.
func readJob(path string, flags jobFlags) (*prepared, error) {
	params, err := parseParams(flags.params)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, plan.Failf(plan.FailureUser, "job file %s does not exist", path)
		}
		return nil, plan.Failf(plan.FailureUser, "read job file: %w", err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find job file: %w", err)
	}
	work, err := workingFolder()
	if err != nil {
		return nil, err
	}
	p := &prepared{blobs: map[string]string{}, registry: flags.registry}
	p.request.RunID = newRunID()
	p.request.Job = &api.Job{File: path, Dir: filepath.Dir(absolute), Work: work, Text: string(text), Params: params}
	return p, nil
}

func workingFolder() (string, error) {
	work, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	return work, nil
}

// upload sends the coordinator what the job's functions need.
func (p *prepared) upload(ctx context.Context, c *client.Client) error {
	for digest, path := range p.blobs {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open plugin: %w", err)
		}
		err = c.PutBlob(ctx, digest, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("upload plugin %s: %w", path, err)
		}
	}
	return nil
}

// submit uploads what the job needs, and submits. A run whose submission is interrupted is cancelled.
func (p *prepared) submit(ctx context.Context, c *client.Client) (*api.RunStatus, error) {
	if err := p.upload(ctx, c); err != nil {
		return nil, err
	}
	status, err := c.Submit(ctx, p.request)
	if err != nil && ctx.Err() != nil {
		// Interrupted without an answer: the run may exist all the same.
		if _, cancelling := cancelAndWait(ctx, c, p.request.RunID, noProgress{}); cancelling == nil {
			return nil, fmt.Errorf("run %s was cancelled: %w", p.request.RunID, err)
		}
	}
	return status, err
}
