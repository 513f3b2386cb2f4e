"""The course as a site: static pages made from lessons, records, claims, results and docstrings."""
