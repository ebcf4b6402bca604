"""The interface of the Python module `sharedmap`, over `shmap`.

    import shmap.sharedmap as sharedmap

Strings in, strings out. Names are names, where the original hashes them: two names never meet.
"""

from ._shmap import rbtree, sharedmap

__all__ = ["rbtree", "sharedmap"]
