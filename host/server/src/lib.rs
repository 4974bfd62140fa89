//! Serves promoted adapters over HTTP, as OpenAI does.
