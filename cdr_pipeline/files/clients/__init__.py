"""One client for each kind of object store: S3, Azure Blob Storage, Google Cloud Storage."""
