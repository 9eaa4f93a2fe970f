"""Page: the live page of runs - server, templates, styles, scripts and libraries, all of them files of the package."""
