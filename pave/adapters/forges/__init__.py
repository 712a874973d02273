"""Outside forges: GitHub, GitLab, and Gitea with all that speak as it does."""

from pave.adapters.forges.gitea import Gitea
from pave.adapters.forges.github import GitHub
from pave.adapters.forges.gitlab import GitLab

__all__ = ["GitHub", "GitLab", "Gitea"]
