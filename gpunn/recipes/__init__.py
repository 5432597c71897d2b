"""How networks are trained by name: recipes, the TOML files beside them, and the run folders that training leaves.

`recipe` reads and checks the files; `options` and `arrange` lay options over a recipe over the network's own;
`config` is what a run records of itself; `batches` and `building` make its loaders and its Trainer; `session` and
`ensemble` train one network or several; `folders` finds what they left.
"""
