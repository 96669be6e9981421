package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/gcp"

	"github.com/quern-engine/quern/plan"
)

// credentialsFrom is where the clouds' own libraries look for credentials, in words that end a message.
func credentialsFrom(scheme string) string {
	switch scheme {
	case "s3":
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role"
	case "gs":
		return "GOOGLE_APPLICATION_CREDENTIALS, what `gcloud auth application-default login` left, or the machine's service account"
	case "azblob":
		return "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or the machine's identity"
	}
	return "the environment"
}

// checkGoogle finds out that there are no credentials for Google's storage, about which gocloud prints a line and goes on.
func checkGoogle(ctx context.Context, u *url.URL) error {
	query := u.Query()
	if anonymous, _ := strconv.ParseBool(query.Get("anonymous")); u.Scheme != "gs" || anonymous || query.Get("access_id") == "-" ||
		os.Getenv("STORAGE_EMULATOR_HOST") != "" {
		return nil
	}
	_, err := gcp.DefaultCredentials(ctx)
	return err
}

// checkAmazon finds out that there are no credentials or no region for S3: AWS's library looks for them when it makes the first
// request, whose failure might pass.
func checkAmazon(ctx context.Context, u *url.URL, b *blob.Bucket) error {
	var client *s3.Client
	if !b.As(&client) {
		return nil
	}
	options := client.Options()
	if options.Region == "" && options.BaseEndpoint == nil && u.Query().Get("endpoint") == "" {
		return errors.New("no region: add region=… to the URL's parameters, or set AWS_REGION")
	}
	if anonymous, _ := strconv.ParseBool(u.Query().Get("anonymous")); anonymous || options.Credentials == nil {
		return nil
	}
	if _, err := options.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("no credentials were found: %w", err)
	}
	return nil
}

// openError is the error for a bucket that cannot be opened, which no store has been asked about yet.
func openError(u *url.URL, err error) error {
	return plan.Failf(plan.FailureUser, "open bucket %s://%s: %w; check the URL's parameters, and the credentials, from %s",
		u.Scheme, u.Host, err, credentialsFrom(u.Scheme))
}

// denied reports an answer that tells who asked wrongly, or may not ask. gocloud does not know all of them.
func denied(err error) bool {
	status := 0
	var inS3 interface{ HTTPStatusCode() int }
	var inAzure *azcore.ResponseError
	switch {
	case errors.As(err, &inS3):
		status = inS3.HTTPStatusCode()
	case errors.As(err, &inAzure):
		status = inAzure.StatusCode
	}
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// noCredentials reports that a request was not made, for lack of credentials. That may pass: there were some when the bucket was
// opened, and those of a machine come over the network.
func noCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get credentials: ") || strings.Contains(text, "DefaultAzureCredential")
}
