"""MLA: language acquirers on a monolingual model."""
