"""Files of results, and what is made of them: tables, a page, pictures, comparisons."""
