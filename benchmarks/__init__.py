"""What the claims about late loading are measured with. See docs/late-loading.md."""
