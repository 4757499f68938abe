" Python as PEP 8 wants it, in vim without plugins too.
setlocal expandtab tabstop=4 softtabstop=4 shiftwidth=4 textwidth=88
setlocal makeprg=python3\ -m\ pytest\ -q
