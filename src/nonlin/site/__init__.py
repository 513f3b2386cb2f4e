"""The course as a web site, and what its pages are made of."""
