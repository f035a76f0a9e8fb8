"""The Recordings tab: passages of long recordings that fit a query."""
