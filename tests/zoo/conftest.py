"""Only tests are collected here: the zoo's files are imported by name, once, as a sweep imports them."""

collect_ignore_glob = ["zoo*.py", "naive*.py"]
