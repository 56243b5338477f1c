"""Daily files to where others fetch them: folders, object stores, SFTP servers."""
