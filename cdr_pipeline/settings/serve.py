"""Settings of the API server."""

from pydantic import Field

from cdr_pipeline.settings.section import SettingsSection


class ServeSettings(SettingsSection):
    """Settings of the API server."""

    serve_connections: int = Field(
        default=8, ge=2, le=200, description="API: connections to the warehouse per worker process"
    )
    serve_search_seconds: float = Field(default=15.0, gt=0, le=600, description="API: timeout of a search; then 504")
    serve_download_seconds: float = Field(default=900.0, gt=0, le=86_400, description="API: timeout of a download")
    serve_requests_per_second: float = Field(
        default=100.0,
        ge=0,
        le=100_000,
        description="API: requests per second and token, with bursts of ten seconds; 0: no limit",
    )
    serve_upload_bytes: int = Field(
        default=256 * 1024**2, ge=1024, le=64 * 1024**3, description="API: largest upload in bytes"
    )
    serve_docs: bool = Field(default=True, description="API: serve /docs and /openapi.json")
